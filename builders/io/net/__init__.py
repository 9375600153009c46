"""The one client: requests within limits, over few connections, tried again where that can help.

From outside: `remote` (what this process's client is asked), `answers.RemoteFile`, `threads`, and errors it raises.
"""
