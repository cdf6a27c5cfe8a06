variable "region" {
  description = "Near the exchange."
  type        = string
  default     = "ap-northeast-1"
}

variable "zone" {
  description = "Of that region: disk and machine must share it."
  type        = string
  default     = "ap-northeast-1a"
}

variable "machine" {
  description = "Four cores and 16 GB carry the stack with three optimizers."
  type        = string
  default     = "m7i.xlarge"
}

variable "disk_gb" {
  description = "Of the volumes: journals, recordings, database."
  type        = number
  default     = 100
}

variable "ssh_public_key" {
  description = "The operator's, as one line."
  type        = string
}

variable "operator_cidr" {
  description = "Whence the operator comes, such as 203.0.113.7/32."
  type        = string
  validation {
    condition     = can(cidrhost(var.operator_cidr, 0)) && !endswith(var.operator_cidr, "/0")
    error_message = "operator_cidr must be a network of yours, not everybody's."
  }
}

variable "bus_cidrs" {
  description = "Hosts of other executors and optimizers; none: the bus stays on this machine."
  type        = list(string)
  default     = []
}
