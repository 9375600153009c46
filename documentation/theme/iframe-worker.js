// Browsers start no workers for pages that are opened as files, and the search runs in one: there, the worker's script
// runs in a hidden frame of the page instead, and messages pass between the two as they would.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      this.waiting = [];
      const frame = document.createElement("iframe");
      frame.hidden = true;
      document.documentElement.append(frame);
      const inside = (this.inside = frame.contentWindow);
      inside.document.open();
      inside.document.write("<!DOCTYPE html><title>search</title><body></body>");
      inside.document.close();
      inside.postMessage = (data) => this.say(this, data);
      const script = inside.document.createElement("script");
      script.onload = () => {
        const waiting = this.waiting;
        this.waiting = null;
        waiting.forEach((data) => this.say(inside, data));
      };
      script.src = new URL(url, location.href).href;
      inside.document.body.append(script);
    }

    postMessage(data) {
      if (this.waiting) this.waiting.push(data);
      else this.say(this.inside, data);
    }

    // as messages are told: later, and to `onmessage` as well as to listeners
    say(to, data) {
      setTimeout(() => {
        const event = new MessageEvent("message", { data });
        if (to === this && this.onmessage) this.onmessage(event);
        to.dispatchEvent(event);
      });
    }

    terminate() {
      this.inside.frameElement.remove();
    }
  };
}
