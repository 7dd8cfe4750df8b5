"""From spectra to intensities: line families, detector, peaks, background, calibration, the batched fit."""
