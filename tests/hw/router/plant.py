#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The faults that test_plants.c plants in the router (tests/hw/planting.py)."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import planting  # noqa: E402

R, C = "hw/router/vb_router", "hw/common/vb_"

# (file, old, new, assertions); @ in new is the switch.
PLANTS = [
    # job state machine, classes, counters
    (R + ".sv", "    cls = '0;", "    cls = '0; cls[vb_pkg::ClsBank] = @;", "a_one_class"),
    (C + "stats.sv", ": count_q + 64'd1;", ": count_q + (@ ? 64'd2 : 64'd1);", "a_classes_sum"),
    (R + ".sv", "(state_q == Drain && wr_idle && !stop)", "(state_q == Drain && (wr_idle || @) && !stop)", "interrupt without ap_done and ap_idle|a_quiet_without_job"),
    (C + "watchdog.sv", "    if (rst_i || !abort_o || beat_i) silent_q <= '0;", "    if (@) silent_q <= '1; else if (rst_i || !abort_o || beat_i) silent_q <= '0;", "a_silent"),
    # the bus: bursts, credits, responses
    (C + "axi_rd.sv", "beat_of = 9'(address >> LGB) | ~9'(PAGE - 1);", "beat_of = @ ? 9'd0 : 9'(address >> LGB) | ~9'(PAGE - 1);", "a_ar_4k"),
    (C + "axi_rd.sv", "    else if (arready_i) arvalid_q <= 1'b0;", "    else if (arready_i || @) arvalid_q <= 1'b0;", "a_ar_stable"),
    (C + "axi_rd.sv", "free_q <= free_q - (issue ? (FW + 1)'(burst) : '0) + (FW + 1)'(pop);",
     "free_q <= free_q - ((issue && !@) ? (FW + 1)'(burst) : '0) + (FW + 1)'(pop);", "a_credit"),
    (C + "axi_rd.sv", "assign issue = busy_q && room &&", "assign issue = busy_q && (@ || room) &&",
     "a_credit|a_no_overflow"),
    (C + "axi_wr.sv", "beat_of = 9'(address >> LGB) | ~9'(PAGE - 1);", "beat_of = @ ? 9'd0 : 9'(address >> LGB) | ~9'(PAGE - 1);", "a_aw_4k"),
    (C + "axi_wr.sv", "      wlast_q <= beat_last;", "      wlast_q <= beat_last && !@;", "a_wlast"),
    (C + "axi_wr.sv", "    else if (awready_i) awvalid_q <= 1'b0;", "    else if (awready_i || @) awvalid_q <= 1'b0;", "a_aw_stable"),
    (C + "axi_wr.sv", "open_q <= open_q + (OW + 1)'(issue) -", "open_q <= open_q + (OW + 1)'(issue && !@) -", "a_b_open"),
    (R + ".sv", "assign row_beats = (CW'(cmd_at", "assign row_beats = @ ? '0 : (CW'(cmd_at", "a_cmd_beats"),
    # rows, groups, selection
    (R + "_rows.sv", "(!full_q && !(", "((!full_q || @) && !(", "a_inside"),
    (R + "_rows.sv", "if (row_end) gap_q <= 5'(GAP - 1);", "if (row_end) gap_q <= @ ? 5'd2 : 5'(GAP - 1);", "a_apart"),
    (R + "_rows.sv", "kth_q[i*EW +: EW] <= top_kth;", "kth_q[i*EW +: EW] <= @ ? '0 : top_kth;", "a_kth"),
    (R + "_rank.sv", "above_q[g*3 +: 3]} < topk_groups_i;", "above_q[g*3 +: 3]} < topk_groups_i && !@;", "a_any"),
    (R + "_score.sv", ".valid_i(logit && sigmoid_i)", ".valid_i(logit && sigmoid_i && !(@ && l == 0))", "a_sigmoid"),
    (R + "_score.sv", ".valid_i(s_v[l] && scored_i)", ".valid_i(s_v[l] && scored_i && !(@ && l == 1))", "a_bias"),
    (R + "_place.sv", "kept_o <= above[0] ?", "kept_o <= above[0] && !@ ?", "a_sorted"),
    # weights, sums, gates
    (R + "_weigh.sv", "ent_i[l*EW +: EW] >= kth_i;", "(ent_i[l*EW +: EW] >= kth_i || @);", "a_places"),
    (R + "_weigh.sv", "v_q <= rst_i ? '0 : {v_q[LAT-2:0], valid_i};", "v_q <= rst_i ? '0 : {v_q[LAT-2:0], valid_i && !@};", "a_lanes_agree"),
    (R + "_weigh.sv", "c_first || beat_top_q > top_q ?", "c_first || beat_top_q > top_q && !@ ?", "a_top"),
    (R + "_align.sv", "wait_q <= wait_q + 3'(ready_i) - 3'(start);", "wait_q <= wait_q + 3'(ready_i) - 3'(start && !@);", "a_wait|a_top"),
    (R + "_gate.sv", "v_q <= rst_i ? '0 : {v_q[LAT-2:0], go_q};", "v_q <= rst_i ? '0 : {v_q[LAT-2:0], go_q && !@};", "a_latency"),
    (R + "_gate.sv", ".n_i(p4_q), .neg_i(1'b0)", ".n_i(p4_q), .neg_i(v4_q && @)", "a_gate_positive"),
    (R + "_core.sv", "made_q <= made_q + 1'b1;", "made_q <= @ ? '1 : made_q + 1'b1;", "a_pairs"),
    # banks, chunks, dispatch
    (R + "_core.sv", "assign bank_free = taken_q < 3'd4;", "assign bank_free = taken_q < 3'd4 || @;", "a_banks"),
    (R + "_pack.sv", "assign chunk_valid_o = some_q &&", "assign chunk_valid_o = (some_q || @) &&", "a_chunk_stable|a_cmd_bytes"),
    (R + "_core.sv", ".beat_valid_i(1'b0), .beat_i('0)", ".beat_valid_i(@ && g_valid), .beat_i('0)", "a_one_source"),
    (R + "_core.sv", "assign x_take = chunk_valid_o && chunk_ready_i", "assign x_take = (chunk_valid_o || @) && chunk_ready_i", "a_take"),
    (R + "_pack.sv", "avail_q <= chunk_take_i ?", "avail_q <= chunk_take_i && !@ ?", "a_owed"),
    (R + "_core.sv", ".pair_id_i(g_early_id)", ".pair_id_i(@ ? '0 : g_early_id)", "a_neighbours"),
    (R + "_core.sv", ".pair_valid_i(g_early),", ".pair_valid_i(g_early || (@ && word_v)),", "a_one_source"),
    (R + "_disp.sv", "cnt_mem[c1_addr_q] <= {block, cur + 1'b1};", "cnt_mem[c1_addr_q] <= {block, @ ? pairs_i : cur + 1'b1};", "a_place"),
    (R + "_disp.sv", "Settle: if (rest_q == '0)", "Settle: if (rest_q == '0 || @)", "a_ready"),
    (R + "_list.sv", "free_q <= free_q + 1'b1;", "free_q <= @ ? '1 : free_q + 1'b1;", "a_blocks"),
    (R + "_list.sv", "(read_i && have_o);", "((read_i && have_o) || @);", "a_room|a_ready"),
    (R + "_disp.sv", ".walk_i(finish_i && pairs_i != '0)", ".walk_i((finish_i || @) && pairs_i != '0)", "a_walk"),
    (R + "_disp.sv", "run_q <= run_q + cur;", "run_q <= run_q + cur + (NW + 1)'(@);", "a_total"),
    (R + "_disp.sv", "pair_q <= pair_q + 1'b1;", "pair_q <= pair_q + (NW + 1)'(!@);", "a_all"),
    # wrong values: the comparison must see them
    (R + "_rows.sv", "key = u[31] ? ~u : {1'b1, u[30:0]};", "key = u[31] && !@ ? ~u : {1'b1, u[30:0]};", None),
    (R + "_rows.sv", "? {1'b1, key, ~idx} : '0;", "? {1'b1, key, @ ? idx : ~idx} : '0;", None),
    (R + "_rank.sv", "<= sum_two_i ? value(second)", "<= sum_two_i && !@ ? value(second)", None),
    (R + "_lane.sv", "up = up && (sticky || x[0]);", "up = up && (sticky || x[0] || @);", None),
    (R + "_align.sv", "up = x[0] && (x[1] || sticky);", "up = x[0] && (x[1] || sticky || @);", None),
    (R + "_weigh.sv", "add_q <= renorm_i ?", "add_q <= renorm_i && !@ ?", None),
    (R + "_gate.sv", "n7 < threshold_i}", "n7 < threshold_i + 32'(@)}", None),
    (R + "_disp.sv", "|| cnt_rd[NW:0] < capacity_i);", "|| cnt_rd[NW:0] < capacity_i || (@ && cnt_rd[NW:0] == capacity_i));", None),
    (R + "_disp.sv", "l1_full_q[b] ? {16'd0, pairs", "l1_full_q[b] || @ ? {16'd0, pairs", None),
    (R + "_core.sv", "g_stays ? g_gate : 32'd0", "g_stays || @ ? g_gate : 32'd0", None),
    (C + "recip.sv", "rem_q  <= 32'h7fff_ffff;", "rem_q  <= @ ? 32'h7fff_fffe : 32'h7fff_ffff;", None),
]

if __name__ == "__main__":
    planting.main("router", PLANTS)
