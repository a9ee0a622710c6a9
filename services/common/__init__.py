"""What every process of Ricity is built from: settings, logs, errors at the edge, gRPC server, HTTP status port."""
