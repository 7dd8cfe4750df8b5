"""The commands of ``edsnb``: one module a group, each with ``add(commands)``; nothing heavy is imported on top."""
