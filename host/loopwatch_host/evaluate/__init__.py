"""Campaigns: how soon the detector sees a leak and how often it cries wolf, on loops that it has never met."""
