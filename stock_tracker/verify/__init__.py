"""Verification: the simulator's truth, the topics and the archive compared record by record. Is everything there, and once?"""
