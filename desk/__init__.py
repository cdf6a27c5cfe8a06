"""Windows: store, REST, dashboard, terminal, metrics, reports. They look, and touch nothing."""
