"""Callbacks: runs that continue exactly where they were stopped."""

from kerasopt.callbacks.backup import Backup
from kerasopt.callbacks.resumable import Resumable

__all__ = ["Backup", "Resumable"]
