// SPDX-License-Identifier: Apache-2.0
package vb_relu_pkg;
`include "vb_regs_relu.svh"
endpackage
