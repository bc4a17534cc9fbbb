"""What is asked of us over HTTP: by Slack when somebody presses a button."""
