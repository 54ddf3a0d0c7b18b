#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The faults that test_plants.c plants in the indexer (tests/hw/planting.py)."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import planting  # noqa: E402

X, I, C = "hw/indexer/vb_indexer.sv", "hw/indexer/vb_idx_", "hw/common/vb_"
K = "vb_idx_pkg::"

# (file, old, new, assertions); @ in new is the switch.
PLANTS = [
    # job state machine, classes, counters, bus
    (X, "    cls = '0;", "    cls = '0; cls[vb_pkg::ClsBank] = @;", "a_one_class"),
    (C + "stats.sv", ": count_q + 64'd1;", ": count_q + (@ ? 64'd2 : 64'd1);", "a_classes_sum"),
    (X, f"(job_q == {K}JobDrain && wr_idle && !halt)", f"(job_q == {K}JobDrain && (wr_idle || @) && !halt)",
     "interrupt without ap_done and ap_idle|a_quiet_without_job"),
    (X, f"core_start = job_q == {K}JobCheck && desc_ok;", f"core_start = (job_q == {K}JobCheck && desc_ok) || (@ && topk_work);", "a_start"),
    (C + "axi_wr.sv", "beat_of = 9'(address >> LGB) | ~9'(PAGE - 1);", "beat_of = @ ? 9'd0 : 9'(address >> LGB) | ~9'(PAGE - 1);", "a_aw_4k"),
    (C + "axi_rd.sv", "assign issue = busy_q && room &&", "assign issue = busy_q && (@ || room) &&",
     "a_credit|a_no_overflow"),
    (C + "axi_wr.sv", "      wlast_q <= beat_last;", "      wlast_q <= beat_last && !@;", "a_wlast"),
    # reading
    (I + "fetch.sv", "bytes = 32'(n) << 2;", "bytes = @ ? '0 : 32'(n) << 2;", "a_beats|a_cmd_beats"),
    (I + "fetch.sv", "in_page     = left_q <= LW'(to_page);", "in_page     = left_q <= LW'(to_page) || @;", "a_page"),
    (I + "fetch.sv", "+ 32'(BYTES - 1)) >> LGB);", f"+ 32'(BYTES - 1)) >> LGB) + LW'(@ && (&seg_q));", "a_taken"),
    (I + "fetch.sv", f"{K}TagK: seg_q <= {K}TagW;", f"{K}TagK: seg_q <= @ ? {K}TagQ : {K}TagW;", "a_tag_w"),
    (I + "fetch.sv", f"{K}TagW: seg_q <= {K}TagQ;", f"{K}TagW: seg_q <= @ ? {K}TagS : {K}TagQ;", "a_tag_q"),
    (I + "fetch.sv", f"{K}TagQ: seg_q <= {K}TagK;", f"{K}TagQ: seg_q <= @ ? {K}TagW : {K}TagK;", "a_tag_k"),
    (I + "fetch.sv", "assign cmd_tag_o   = seg_q;", f"assign cmd_tag_o   = @ && (&seg_q) ? {K}TagW : seg_q;", "a_tag_s"),
    # sequencer and array
    (I + "front.sv", f"st_d = walk_done ? {K}StTail :", f"st_d = walk_done ? (@ ? 4'd15 : {K}StTail) :", "a_state"),
    (I + "front.sv", "left_q  <= topk ? s_beats : n;", "left_q  <= @ ? '0 : topk ? s_beats : n;", "a_left"),
    (I + "front.sv", f"assign q_word_o  = word_v && st_q == {K}StQ;", f"assign q_word_o  = word_v && (st_q == {K}StQ || @);", "a_kind|a_tag_q"),
    (I + "front.sv", "k_room_i && more_q));", "(k_room_i || @) && more_q));", "a_ring"),
    (I + "front.sv", f"assign begin_o   = st_q == {K}StBuf;", f"assign begin_o   = st_q == {K}StBuf || (@ && st_q == {K}StDrain && wait_q == 8'd3);", "a_quiet"),
    (I + "front.sv", "? 8'(KDrain) : 8'(SDrain)", "? (@ ? 8'd2 : 8'(KDrain)) : 8'(SDrain)", "a_arrived"),
    (I + "array.sv", "sub_last && blk_q == last_blk_q;", "sub_last && blk_q == last_blk_q && !@;", "a_blk"),
    (I + "array.sv", "      left_q <= n_i;", "      left_q <= @ ? '0 : n_i;", "a_more"),
    # weights
    (I + "weights.sv", ".valid_i(v_q[2])", ".valid_i(v_q[2] && !@)", "a_norm"),
    (I + "front.sv", "wait_q <= 8'(align_end) + 8'(AlignTail) &&", "wait_q <= 8'(align_end) + 8'(AlignTail) + (@ ? 8'd6 : 8'd0) &&", "a_idle"),
    (I + "weights.sv", "x7_q > top_q)", "x7_q > top_q && !@)", "a_shift"),
    # top-k
    (I + "topk.sv", "assign free_o   = !full_q[ab_q] && st_q != Off && st_q != Clear;",
     "assign free_o   = !full_q[ab_q] && st_q != Off && (st_q != Clear || @);", "a_clear|a_turn"),
    (I + "front.sv", "leave = free_i || scores;", "leave = free_i || scores || (@ && part_q == '0);", "a_buffer|a_turn|a_clear"),
    (I + "topk.sv", "wa_q <= wa_q + (BW+1)'(1);", "wa_q <= wa_q + (BW+1)'(@ ? NB : 1);", "a_size"),
    (I + "topk.sv", "assign scan  = st_q == Scan &&", "assign scan  = (st_q == Scan || (@ && st_q == Hist)) &&", "a_turn"),
    (I + "topk.sv", "      need_q <= total;", "      need_q <= total + 12'(@);", "a_found"),
    (I + "topk.sv", "want_q - 12'(equals) : '0;", "want_q - 12'(equals) : 12'(@);", "a_equals"),
    (I + "hist.sv", "(byp_q ? near_q : raw_q)", "(byp_q && !@ ? near_q : raw_q)", "a_found|a_equals|a_total"),
    # list and queue
    (I + "topk.sv", "assign first_o  = st_q == Room && room_i;", "assign first_o  = st_q == Room && (room_i || @);", "a_first"),
    (I + "topk.sv", "assign sel_o      = r3_out_q &&", "assign sel_o      = (r3_out_q || (@ && st_q == Wait)) &&", "a_mark"),
    (I + "list.sv", "if (end_i) total_q <= total_i;", "if (end_i) total_q <= total_i + 12'(@);", "a_total"),
    (I + "list.sv", "if (full) at_q <= at_q + (KW+1)'(1);", "if (full) at_q <= at_q + (KW+1)'(@ ? KB : 1);", "a_fits"),
    (I + "list.sv", "assign send      = st_q == Send && place_i;", "assign send      = st_q == Send && (place_i || @);", "a_place"),
    (I + "out.sv", "avail_q >= (FW+1)'(chunk_q) &&", "(avail_q >= (FW+1)'(chunk_q) || @) &&", "a_owed"),
    (I + "out.sv", "- (FW+1)'(reserve_i) + (FW+1)'(pop)", "- (FW+1)'(reserve_i && !@) + (FW+1)'(pop)", "a_free"),
    # wrong values: the comparison must see them
    (I + "row.sv", "t[0] && (t[1] || rest != '0);", "t[0] && (t[1] || rest != '0 || @);", None),
    (I + "row.sv", "(s > 9'd28) ? 5'd28 : s[4:0]", "(s > 9'd28) ? (@ ? 5'd25 : 5'd28) : s[4:0]", None),
    (I + "row.sv", "acc_q[31] ? 48'sd0", "acc_q[31] && !@ ? 48'sd0", None),
    (I + "weights.sv", "if (m[24:10] == '1)", "if (m[24:10] == '1 && !@)", None),
    (I + "weights.sv", "m[9] && (m[10] ||", "m[9] && ((m[10] && !@) ||", None),
    (I + "weights.sv", "if (below[4])", "if (below[4] && !@)", None),
    (I + "weights.sv", "scaled[30:23] != 8'd0 && code6 != 8'd0;", "scaled[30:23] != 8'd0 && (code6 != 8'd0 || @);", None),
    (I + "weights.sv", "here1_q <= 7'(head_i) < heads_i;", "here1_q <= 7'(head_i) < heads_i + 7'(@);", "comparison|a_shift"),
    (I + "array.sv", "assign ordered = z[31] ? ~z", "assign ordered = z[31] && !@ ? ~z", None),
    (I + "array.sv", "t = e_start_q ? '0 : sum_q;", "t = e_start_q && !@ ? '0 : sum_q;", None),
    (I + "list.sv", "lane_q[l*LGP +: LGP] <= LGP'(l);", "lane_q[l*LGP +: LGP] <= LGP'(l) ^ LGP'(@);", None),
    (I + "list.sv", "= base_i + 32'(rd_q", "= (@ ? '0 : base_i) + 32'(rd_q", None),
    (I + "lane.sv", "(digit_i != 2'd0 || eq_q[1]);", "(digit_i != 2'd0 || eq_q[1] || @);", "comparison|a_found|a_equals|a_total"),
    (I + "topk.sv", "|| tail_q == '0 || LGP'(l)", "|| tail_q == '0 || @ || LGP'(l)", "a_found|a_equals|a_total"),
]

if __name__ == "__main__":
    planting.main("indexer", PLANTS)
