"""Orionbox's settings for pgAdmin, which reads them from /etc/pgadmin after its own config.py.

What each one means: https://www.pgadmin.org/docs/pgadmin4/latest/config_py.html
"""

# One user, no login page: the port is published on the loopback interface only.
SERVER_MODE = False
MASTER_PASSWORD_REQUIRED = False
# Any: registered_server.py has the guard, which looks at Host, too.
ALLOWED_HOSTS: list[str] = []

DATA_DIR = "/var/lib/pgadmin"
DEFAULT_BINARY_PATHS = {"pg": "/usr/lib/postgresql/15/bin"}
# The image has no other translations.
LANGUAGES = {"en": "English"}

# The warehouse is the one server to register: registered_server.py does it.
AUTO_DISCOVER_SERVERS = False

# Nothing here calls the outside world.
UPGRADE_CHECK_ENABLED = False
SHOW_GRAVATAR_IMAGE = False
LLM_ENABLED = False
