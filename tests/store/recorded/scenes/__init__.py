"""The scenes of which streams are made."""
