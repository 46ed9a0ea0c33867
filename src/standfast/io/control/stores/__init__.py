"""Where plans are kept: what stands behind `control.store.PlanStore`."""
