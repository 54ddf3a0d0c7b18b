# SPDX-License-Identifier: Apache-2.0
# `make install PREFIX=/usr/local DESTDIR=`: command, libraries, headers, pkg-config file, man page; the OpenCL driver
# and its .icd through INSTALL_STEPS of make/icd.mk.

PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
MANDIR ?= $(PREFIX)/share/man
INSTALL ?= install
# Loaders read one directory. Below a private prefix it is a directory of ours with the system's drivers copied in, which
# the command finds beside itself; other programs need OCL_ICD_VENDORS there.
ICD_VENDORS ?= $(if $(filter /usr /usr/local,$(PREFIX)),/etc/OpenCL/vendors,$(LIBDIR)/verbatim/vendors)
D = $(DESTDIR)

.PHONY: install install-host
install: install-host $(INSTALL_STEPS) ## install below PREFIX (DESTDIR for packagers)

install-host: all
	$(INSTALL) -d $(D)$(PREFIX)/bin $(D)$(LIBDIR)/pkgconfig $(D)$(INCLUDEDIR)/verbatim $(D)$(MANDIR)/man1
	$(INSTALL) -m 755 $(BUILD)/verbatim $(D)$(PREFIX)/bin/verbatim
	$(INSTALL) -m 644 $(BUILD)/libverbatim.a $(D)$(LIBDIR)/libverbatim.a
	$(INSTALL) -m 755 $(BUILD)/libverbatim.so $(D)$(LIBDIR)/libverbatim.so.0
	ln -sf libverbatim.so.0 $(D)$(LIBDIR)/libverbatim.so
	$(INSTALL) -m 644 host/include/verbatim/*.h $(D)$(INCLUDEDIR)/verbatim/
	$(INSTALL) -m 644 docs/verbatim.1 $(D)$(MANDIR)/man1/verbatim.1
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' -e 's|@VERSION@|$(VERSION)|' \
	  host/verbatim.pc.in > $(BUILD)/verbatim.pc
	$(INSTALL) -m 644 $(BUILD)/verbatim.pc $(D)$(LIBDIR)/pkgconfig/verbatim.pc
