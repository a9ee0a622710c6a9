"""The radio network of the slicing dApps: cells, channel, traffic, slices, QoS and reward, batched over parallel worlds."""
