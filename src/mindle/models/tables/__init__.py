"""Models of tables: records that predict with NumPy alone; what they do is also their ONNX graph."""
