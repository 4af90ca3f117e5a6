"""What operators see and do: the admin address and the control socket; app.py starts both."""
