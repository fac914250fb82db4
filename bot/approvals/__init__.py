"""Gates as people meet them: how they are raised, listed, decided, and brought to mind again."""
