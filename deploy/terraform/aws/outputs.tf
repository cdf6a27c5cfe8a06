output "address" {
  description = "Of the machine."
  value       = aws_instance.stack.public_ip
}

output "windows" {
  description = "Brings desk and Prometheus to this machine; neither is open to the network."
  value       = "ssh -L 8765:127.0.0.1:8765 -L 9090:127.0.0.1:9090 admin@${aws_instance.stack.public_ip}"
}
