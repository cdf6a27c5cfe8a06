# One machine that runs the stack in containers, on Azure. Parsed by a test, never applied by us.
terraform {
  required_version = ">= 1.5"
  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = "~> 4.0"
    }
  }
}

provider "azurerm" {
  subscription_id = var.subscription
  features {}
}

resource "azurerm_resource_group" "stack" {
  name     = "counterpoint"
  location = var.region
}

resource "azurerm_virtual_network" "stack" {
  name                = "counterpoint"
  location            = azurerm_resource_group.stack.location
  resource_group_name = azurerm_resource_group.stack.name
  address_space       = ["10.20.0.0/24"]
}

resource "azurerm_subnet" "stack" {
  name                 = "stack"
  resource_group_name  = azurerm_resource_group.stack.name
  virtual_network_name = azurerm_virtual_network.stack.name
  address_prefixes     = ["10.20.0.0/26"]
}

resource "azurerm_public_ip" "stack" {
  name                = "counterpoint"
  location            = azurerm_resource_group.stack.location
  resource_group_name = azurerm_resource_group.stack.name
  allocation_method   = "Static"
}

# SSH from you, the bus from hosts that you name; what is not allowed here is denied.
resource "azurerm_network_security_group" "stack" {
  name                = "counterpoint"
  location            = azurerm_resource_group.stack.location
  resource_group_name = azurerm_resource_group.stack.name
  security_rule {
    name                       = "ssh"
    priority                   = 100
    direction                  = "Inbound"
    access                     = "Allow"
    protocol                   = "Tcp"
    source_port_range          = "*"
    destination_port_range     = "22"
    source_address_prefix      = var.operator_cidr
    destination_address_prefix = "*"
  }
  dynamic "security_rule" {
    for_each = length(var.bus_cidrs) > 0 ? [1] : []
    content {
      name                       = "bus"
      priority                   = 110
      direction                  = "Inbound"
      access                     = "Allow"
      protocol                   = "Tcp"
      source_port_range          = "*"
      destination_port_range     = "7301-7304"
      source_address_prefixes    = var.bus_cidrs
      destination_address_prefix = "*"
    }
  }
}

resource "azurerm_network_interface" "stack" {
  name                = "counterpoint"
  location            = azurerm_resource_group.stack.location
  resource_group_name = azurerm_resource_group.stack.name
  ip_configuration {
    name                          = "stack"
    subnet_id                     = azurerm_subnet.stack.id
    private_ip_address_allocation = "Dynamic"
    public_ip_address_id          = azurerm_public_ip.stack.id
  }
}

resource "azurerm_network_interface_security_group_association" "stack" {
  network_interface_id      = azurerm_network_interface.stack.id
  network_security_group_id = azurerm_network_security_group.stack.id
}

resource "azurerm_managed_disk" "data" {
  name                 = "counterpoint-data"
  location             = azurerm_resource_group.stack.location
  resource_group_name  = azurerm_resource_group.stack.name
  storage_account_type = "Premium_LRS" # encrypted at rest, as every managed disk is
  create_option        = "Empty"
  disk_size_gb         = var.disk_gb
  lifecycle {
    prevent_destroy = true # journals: whoever means it takes this line away
  }
}

resource "azurerm_linux_virtual_machine" "stack" {
  name                            = "counterpoint"
  location                        = azurerm_resource_group.stack.location
  resource_group_name             = azurerm_resource_group.stack.name
  size                            = var.machine
  admin_username                  = "maker"
  disable_password_authentication = true
  network_interface_ids           = [azurerm_network_interface.stack.id]
  custom_data                     = base64encode(templatefile("${path.module}/../start.yaml", { disk = "/dev/disk/azure/scsi1/lun0", user = "maker" }))
  admin_ssh_key {
    username   = "maker"
    public_key = var.ssh_public_key
  }
  os_disk {
    caching              = "ReadWrite"
    storage_account_type = "Premium_LRS"
  }
  source_image_reference {
    publisher = "Debian"
    offer     = "debian-13"
    sku       = "13-gen2"
    version   = "latest"
  }
}

resource "azurerm_virtual_machine_data_disk_attachment" "data" {
  managed_disk_id    = azurerm_managed_disk.data.id
  virtual_machine_id = azurerm_linux_virtual_machine.stack.id
  lun                = 0
  caching            = "None"
}
