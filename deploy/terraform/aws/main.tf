# One machine that runs the stack in containers, on AWS. Parsed by a test, never applied by us.
terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.0"
    }
  }
}

provider "aws" {
  region = var.region
}

data "aws_ami" "debian" {
  most_recent = true
  owners      = ["136693071363"] # Debian's own account
  filter {
    name   = "name"
    values = ["debian-13-amd64-*"]
  }
}

resource "aws_vpc" "stack" {
  cidr_block           = "10.20.0.0/24"
  enable_dns_hostnames = true
  tags                 = { Name = "counterpoint" }
}

resource "aws_internet_gateway" "stack" {
  vpc_id = aws_vpc.stack.id
}

resource "aws_subnet" "stack" {
  vpc_id                  = aws_vpc.stack.id
  cidr_block              = "10.20.0.0/26"
  availability_zone       = var.zone
  map_public_ip_on_launch = true
}

resource "aws_route_table" "stack" {
  vpc_id = aws_vpc.stack.id
  route {
    cidr_block = "0.0.0.0/0"
    gateway_id = aws_internet_gateway.stack.id
  }
}

resource "aws_route_table_association" "stack" {
  subnet_id      = aws_subnet.stack.id
  route_table_id = aws_route_table.stack.id
}

# SSH from you, the bus from hosts that you name, and nothing from anybody else.
resource "aws_security_group" "stack" {
  name        = "counterpoint"
  description = "SSH from the operator, CURVE from named hosts"
  vpc_id      = aws_vpc.stack.id
  ingress {
    description = "SSH"
    from_port   = 22
    to_port     = 22
    protocol    = "tcp"
    cidr_blocks = [var.operator_cidr]
  }
  dynamic "ingress" {
    for_each = var.bus_cidrs
    content {
      description = "bus, by CURVE alone"
      from_port   = 7301
      to_port     = 7304
      protocol    = "tcp"
      cidr_blocks = [ingress.value]
    }
  }
  egress {
    description = "package registries, the exchange"
    from_port   = 0
    to_port     = 0
    protocol    = "-1"
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "aws_key_pair" "operator" {
  key_name   = "counterpoint"
  public_key = var.ssh_public_key
}

resource "aws_ebs_volume" "data" {
  availability_zone = var.zone
  size              = var.disk_gb
  type              = "gp3"
  encrypted         = true
  tags              = { Name = "counterpoint" }
  lifecycle {
    prevent_destroy = true # journals: whoever means it takes this line away
  }
}

resource "aws_instance" "stack" {
  ami                    = data.aws_ami.debian.id
  instance_type          = var.machine
  subnet_id              = aws_subnet.stack.id
  vpc_security_group_ids = [aws_security_group.stack.id]
  key_name               = aws_key_pair.operator.key_name
  user_data              = templatefile("${path.module}/../start.yaml", { disk = "/dev/nvme1n1", user = "admin" })
  metadata_options {
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }
  root_block_device {
    volume_size = 20
    encrypted   = true
  }
  tags = { Name = "counterpoint" }
}

resource "aws_volume_attachment" "data" {
  device_name = "/dev/sdf"
  volume_id   = aws_ebs_volume.data.id
  instance_id = aws_instance.stack.id
}
