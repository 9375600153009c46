"""A dataset repository on the Hub.

From outside: `repository.HubRepository`.
"""
