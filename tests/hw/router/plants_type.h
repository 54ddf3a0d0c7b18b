// SPDX-License-Identifier: Apache-2.0
/// @file plants_type.h
/// A row of the list that plant.py generates.
#ifndef VB_TESTS_HW_ROUTER_PLANTS_TYPE_H
#define VB_TESTS_HW_ROUTER_PLANTS_TYPE_H
struct plant {
  const char *where; ///< file and line of the RTL
  const char *want;  ///< assertions, `|` between them; "": the comparison
};
#endif
