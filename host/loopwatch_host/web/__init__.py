"""The web page: the desk's picture of a loop in a browser on this machine, offline.

Starlette and uvicorn serve it, uPlot draws; uPlot comes out of the installed package youplot.
"""
