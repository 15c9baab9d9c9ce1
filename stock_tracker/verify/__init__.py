"""Verification: are the numbers right, and is everything that happened in the topics, in the archive and on the gateway, once?"""
