"""How the pages are laid out, in Gradio's components. What they do is in `multigan.demo`."""
