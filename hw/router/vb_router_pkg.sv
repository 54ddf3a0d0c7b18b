// SPDX-License-Identifier: Apache-2.0

// Names of the router unit: its arguments, hw/regs/router.json.
package vb_router_pkg;
`include "vb_regs_router.svh"
endpackage
