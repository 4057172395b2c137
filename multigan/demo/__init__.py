"""The pages of `multigan demo`: exported generators in a browser, on the runtime alone. No torch.

What the pages do is in this folder's own modules, which but for those that serve them (`app`, `guarding`) know nothing
of Gradio and are tried without a browser; `pages/` lays them out. `multigan.demo.app.start` serves them.
"""
