#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Run by 'meson install' if libvirt does not look for hooks where the hook was
# installed.
cat <<EOT
postlude: libvirt looks for hooks in /etc/libvirt/hooks only. For 'postlude
  migrate' to this host, build with --prefix=/usr, or, as root:
    mkdir -p /etc/libvirt/hooks/qemu.d
    ln -s $1 /etc/libvirt/hooks/qemu.d/
EOT
