"""AWS on one machine: moto, what moto lacks, and an organization whose truth is known.

For demonstrations and tests only. It imports nothing of the product and the product never imports it.
"""
