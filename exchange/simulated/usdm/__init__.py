"""What makes the simulated exchange one of USD-M futures: margin, words, rules, requests."""
