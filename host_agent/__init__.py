"""The host agent: what one Linux host and its containers are doing, told every few seconds.

It stands alone: psutil and the standard library, no account, no other part of this project.
"""
