"""Windows: store, REST, dashboard, terminal, metrics, reports. Looks at everything, touches nothing."""
