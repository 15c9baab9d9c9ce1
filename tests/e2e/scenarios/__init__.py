"""The predecessor's 23 end-to-end scenarios, on one stack. A package, so that the stack ends with the last of its tests."""
