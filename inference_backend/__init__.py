"""The process that does the work: imagery, models, vectors. Never imports qgis or Qt."""
