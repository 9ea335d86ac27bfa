"""What runs inside the application: recording, attribution and metered SDKs."""
