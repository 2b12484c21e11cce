"""gige."""
