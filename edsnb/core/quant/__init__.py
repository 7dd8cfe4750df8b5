"""From intensities to composition: k-factors, standards, absorption, dose, detection limits."""
