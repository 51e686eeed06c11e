"""Walk-forward evaluation of forecasts against baselines, and their recalibration."""
