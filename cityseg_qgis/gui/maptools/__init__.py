"""Map tools: mouse and keyboard on the canvas become prompts."""
