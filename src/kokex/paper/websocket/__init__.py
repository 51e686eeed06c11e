"""The WebSocket face: /ws/v5/public, /ws/v5/private and /ws/v5/business."""
