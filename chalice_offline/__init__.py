"""Run a Chalice app on one machine as AWS would.

The command line is ``chalice-offline``. Public for other programs are ``chalice_offline.gateway``, an API
Gateway in front of whatever implements ``Functions`` of ``chalice_offline.invocation``, which knows the app
by an ``AppManifest`` of the same module; and ``chalice_offline.cli.command_line``, from which a project makes
a command line of its own. Everything else may change with any release.
"""
