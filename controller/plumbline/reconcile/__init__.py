"""The line itself: resources in, status, metrics and proposals out. The same code without a cluster and in one.

Joins the pure side (assess, plan) with the edges (inventory, usage, store). Knows neither kopf nor the command line.
"""
