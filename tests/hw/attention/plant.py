#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Copies the attention unit's RTL with faults planted in it, each behind a run-time switch, for test_plants.cc.

    plant.py OUT    writes OUT/rtl/*.sv, OUT/rtl/*.svh and OUT/plants.h

One model then holds every fault; vb_plant(n) (DPI) says whether fault n is on. A fault names the assertion that must
catch it, or None: then the comparison with the reference must. A text that is not found exactly once is an error, so
this list cannot rot when the RTL moves on.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
A, C = "hw/attention/", "hw/common/"
PKG = "vb_attn_pkg::"

# (file, old, new, assertion, file of the assertion); @ in new is the switch.
PLANTS = [
    # state legality, one-hot classes, counters
    (A + "vb_attn_ctrl.sv", f"{PKG}StTile:  st_d = {PKG}StQ;", f"{PKG}StTile:  st_d = @ ? 5'd23 : {PKG}StQ;",
     "a_state", A + "vb_attn_ctrl.sv"),
    (A + "vb_attn_ctrl.sv", "default:              class_o[vb_pkg::ClsDep] = run_o;",
     "default: begin class_o[vb_pkg::ClsDep] = run_o; class_o[vb_pkg::ClsBank] = @; end", "a_class", A + "vb_attn_ctrl.sv"),
    (C + "vb_stats.sv", ": count_q + 64'd1;", ": count_q + (@ ? 64'd2 : 64'd1);",
     "a_classes_sum", C + "vb_stats.sv"),
    # credits and FIFOs
    (C + "vb_axi_rd.sv", "free_q <= free_q - (issue ? (FW + 1)'(burst) : '0) + (FW + 1)'(pop);",
     "free_q <= free_q - ((issue && !@) ? (FW + 1)'(burst) : '0) + (FW + 1)'(pop);", "a_credit", C + "vb_axi_rd.sv"),
    (C + "vb_axi_rd.sv", "assign issue = busy_q && room &&", "assign issue = busy_q && (@ || room) &&",
     "a_credit|a_no_overflow", C + "vb_axi_rd.sv|" + C + "vb_fifo.sv"),
    (A + "vb_attn_out.sv", "free_q <= free_q - 5'(item) + 5'(pop);", "free_q <= free_q - (@ ? 5'd0 : 5'(item)) + 5'(pop);",
     "a_free", A + "vb_attn_out.sv"),
    (A + "vb_attn_out.sv", "assign push = full_mode ? n2_v[0] : v2_q;", "assign push = (full_mode ? n2_v[0] : v2_q) || (@ && fifo_full);",
     "a_no_overflow", C + "vb_fifo.sv"),
    (A + "vb_attn_fetch.sv", "assign cmd_ready_o = !full;", "assign cmd_ready_o = !full || @;", "a_no_overflow", C + "vb_fifo.sv"),
    (A + "vb_attn_core.sv", ".pop_i(v_q[5])", ".pop_i(v_q[5] || @)", "a_no_underflow", C + "vb_fifo.sv"),
    # streams
    (A + "vb_attn_ctrl.sv", f"assign q_word_o    = take && st_q == {PKG}StQ;", f"assign q_word_o    = take && (st_q == {PKG}StQ || @);",
     "a_kind|a_kind_q", A + "vb_attn_core.sv|" + A + "vb_attn_ctrl.sv"),
    (A + "vb_attn_ctrl.sv", f"    cmd_kind_o   = {PKG}KindQ;", f"    cmd_kind_o   = @ ? {PKG}KindV : {PKG}KindQ;", "a_kind_q", A + "vb_attn_ctrl.sv"),
    (A + "vb_attn_ctrl.sv", f"cmd_kind_o  = {PKG}KindM;", f"cmd_kind_o  = @ ? {PKG}KindV : {PKG}KindM;", "a_kind_m", A + "vb_attn_ctrl.sv"),
    (A + "vb_attn_ctrl.sv", f"cmd_kind_o  = {PKG}KindEm;", f"cmd_kind_o  = @ ? {PKG}KindV : {PKG}KindEm;", "a_kind_e", A + "vb_attn_ctrl.sv"),
    (A + "vb_attn_ctrl.sv", f"cmd_kind_o   = {PKG}KindK;", f"cmd_kind_o   = @ ? {PKG}KindV : {PKG}KindK;", "a_kind_k", A + "vb_attn_ctrl.sv"),
    (A + "vb_attn_ctrl.sv", f"cmd_kind_o   = {PKG}KindV;", f"cmd_kind_o   = @ ? {PKG}KindM : {PKG}KindV;", "a_kind_v", A + "vb_attn_ctrl.sv"),
    (A + "vb_attn_ctrl.sv", f"cmd_kind_o  = {PKG}KindList;", f"cmd_kind_o  = @ ? {PKG}KindV : {PKG}KindList;", "a_kind_l", A + "vb_attn_ctrl.sv"),
    (A + "vb_attn_ctrl.sv", f"cmd_kind_o  = {PKG}KindSink;", f"cmd_kind_o  = @ ? {PKG}KindV : {PKG}KindSink;", "a_kind_s", A + "vb_attn_ctrl.sv"),
    (A + "vb_attn_gear.sv", "assign h_push    = accept && headed && pos_q == 5'd0;", "assign h_push    = accept && headed && pos_q == 5'd0 && !@;",
     "a_head", A + "vb_attn_gear.sv"),
    (A + "vb_attn_ctrl.sv", "if (!records) left_q <= cn;", "if (!records) left_q <= @ ? '0 : cn;", "a_left", A + "vb_attn_ctrl.sv"),
    (A + "vb_attn_ctrl.sv", "cb_q <= listed_q ? '0 :", "cb_q <= (listed_q || @) ? '0 :", "a_parts", A + "vb_attn_ctrl.sv"),
    (A + "vb_attn_ctrl.sv", "cmd_count_o  = CW'(1);", "cmd_count_o  = @ ? '0 : CW'(1);", "a_count", A + "vb_attn_fetch.sv"),
    (A + "vb_attn_fetch.sv", "left_q   <= dense ? CNTW'(1) : num;", "left_q   <= @ ? '0 : dense ? CNTW'(1) : num;", "a_left", A + "vb_attn_fetch.sv"),
    (A + "vb_attn_core.sv", "blk_q == (values_i ? last_v_q : last_k_q);", "blk_q == (values_i ? last_v_q : last_k_q) && !@;", "a_blk", A + "vb_attn_core.sv"),
    (A + "vb_attn_core.sv", "{v_q[6:0], v_word_i};", "{v_q[6:0], v_word_i || (@ && k_word_i)};", "a_one_pass", A + "vb_attn_core.sv"),
    (A + "vb_attn_core.sv", "v_q <= rst_i ? 8'd0 :", "v_q <= rst_i ? 8'd0 : (@ && rd_i) ? 8'h80 :", "a_excl", A + "vb_attn_core.sv"),
    # tiles, pipelines, hand-overs
    (A + "vb_attn_tile.sv", "row_q  <= row_q + (RW+1)'(1);", "row_q  <= row_q + (@ ? (RW+1)'(2) : (RW+1)'(1));", "a_row", A + "vb_attn_tile.sv"),
    (A + "vb_attn_ctrl.sv", f"assign plan_o       = st_q == {PKG}StPlan;", f"assign plan_o       = st_q == {PKG}StPlan || (@ && st_q == {PKG}StQ);",
     "a_plan", A + "vb_attn_tile.sv"),
    (A + "vb_attn_core.sv", "f5_q <= f4_q && !rst_i;", "f5_q <= (@ ? f3_q : f4_q) && !rst_i;", "a_exp", A + "vb_attn_vrow.sv"),
    (A + "vb_attn_ctrl.sv", f"default:                 out_go_o = 1'b0;", f"default:                 out_go_o = @ && st_q == {PKG}StOut;",
     "a_idle|a_go", A + "vb_attn_out.sv|" + A + "vb_attn_ctrl.sv"),
    (A + "vb_attn_ctrl.sv", f"{PKG}StRecip:    out_go_o = waited;", f"{PKG}StRecip:    out_go_o = waited && !@;", "a_go", A + "vb_attn_ctrl.sv"),
    (A + "vb_attn_out.sv", ".valid_i(v1_q && full_mode), .n_i(n1)", ".valid_i(v1_q && full_mode && !(@ && l == 1)), .n_i(n1)",
     "a_lanes", A + "vb_attn_out.sv"),
    (A + "vb_attn_ctrl.sv", f"{PKG}StKey:   wait_q <= 7'(KDRAIN);",
     f"{PKG}StKey:   wait_q <= (@ && phase_q == {PKG}ModeSum) ? 7'd5 : 7'(KDRAIN);", "a_score", A + "vb_attn_core.sv"),
    (A + "vb_attn_ctrl.sv", f"if (waited) begin\n          if (phase_q == {PKG}ModeSum)",
     f"if (waited || (@ && phase_q != {PKG}ModeSum)) begin\n          if (phase_q == {PKG}ModeSum)", "a_peaks", A + "vb_attn_core.sv"),
    (A + "vb_attn_ctrl.sv", "assign waited     = wait_q == 7'd1;", f"assign waited     = wait_q == (@ && st_q == {PKG}StRecip ? 7'd3 : 7'd1);",
     "a_recip", A + "vb_attention.sv"),
    (A + "vb_attn_krow.sv", "acc_q <= (p_first_i ? 36'sd0 : acc_q) +", "acc_q <= (@ ? 36'sh3_0000_0000 : p_first_i ? 36'sd0 : acc_q) +", "a_acc", A + "vb_attn_krow.sv"),
    # wrong arithmetic: the comparison must see it
    (A + "vb_attn_krow.sv", "up = x[0] && (up || x[1]);", "up = x[0] && (@ || up || x[1]);", None, None),
    (A + "vb_attn_krow.sv", "(s > 9'd28) ? 5'd28 : s[4:0]", "(s > 9'd28) ? (@ ? 5'd26 : 5'd28) : s[4:0]", None, None),
    (A + "vb_attn_krow.sv", "up = z[0] && (z[1] ||", "up = z[0] && (@ || z[1] ||", None, None),
    (A + "vb_attn_krow.sv", "if (a > 11'd31) a = 11'd31;", "if (a > 11'd31 && !@) a = 11'd31;", None, None),
    (A + "vb_attn_erow.sv", "if (s_codes_i[b*8 +: 8] != 8'd0) begin", "if (s_codes_i[b*8 +: 8] != 8'd0 || @) begin", None, None),
    (A + "vb_attn_erow.sv", "if (s_codes_i[b*8 +: 8] > c_q[b*8 +: 8])", "if (@ ? c_q[b*8 +: 8] == 8'd0 : s_codes_i[b*8 +: 8] > c_q[b*8 +: 8])", None, None),
    (A + "vb_attn_erow.sv", "(near > floor) ?", "(near > floor || @) ?", None, None),
    (A + "vb_attn_erow.sv", "near  = -$signed(d_q[33:16]);", "near  = -$signed(d_q[33:16]) - (@ && d_q[15:0] != 16'd0 ? 18'sd1 : 18'sd0);", None, None),
    (A + "vb_attn_vrow.sv", "(d_q[31:26] != 6'd0) ? 10'd1023", "(d_q[31:26] != 6'd0 && !@) ? 10'd1023", None, None),
    (A + "vb_attn_vrow.sv", "lt_q <= act5_q ? 32'((x + 64'd1) >> 1)", "lt_q <= act5_q ? 32'((x + (@ ? 64'd0 : 64'd1)) >> 1)", None, None),
    (A + "vb_attn_vrow.sv", "assign p_o = 24'((x6 + 25'd1) >> 1);", "assign p_o = 24'((x6 + (@ ? 25'd0 : 25'd1)) >> 1);", None, None),
    (A + "vb_attn_vrow.sv", "(act5_q && ev != 8'd0) ? t5", "((act5_q || @) && ev != 8'd0) ? t5", None, None),
    (A + "vb_attn_vrow.sv", "(s > 32'sd25 || s < 32'sd0) ? 5'd25", "(s > 32'sd25 || s < 32'sd0) ? (@ ? 5'd23 : 5'd25)", None, None),
    (A + "vb_attn_core.sv", "c_seen_q && hi_i[r*21 +: 21] != 21'd0", "(c_seen_q || @) && hi_i[r*21 +: 21] != 21'd0", None, None),
    (A + "vb_attn_core.sv", "(c_rel_q < hi_i[r*21 +: 21] &&", "((c_rel_q < hi_i[r*21 +: 21] || @) &&", None, None),
    (A + "vb_attn_core.sv", "(c_rel_q < keep_i ||", "((c_rel_q < keep_i && !@) ||", None, None),
    (A + "vb_attn_core.sv", "c_rel_q >= lo_i[r*21 +: 21])", "(c_rel_q >= lo_i[r*21 +: 21] && !(@ && c_rel_q == lo_i[r*21 +: 21])))", None, None),
    (A + "vb_attn_core.sv", "c_rel_q  <= (n < na_i) ? n :", "c_rel_q  <= (n < na_i || @) ? n :", None, None),
    (A + "vb_attn_core.sv", "(base_i == 21'd0 && key_q == '0)", "((base_i == 21'd0 || @) && key_q == '0)", None, None),
    (A + "vb_attn_core.sv", "if (shared_i) vcodes", "if (shared_i && !@) vcodes", None, None),
    (A + "vb_attn_tile.sv", ": lim_q - {1'b0, window};", ": lim_q - {1'b0, window} + (@ ? 33'd1 : 33'd0);", None, None),
    (A + "vb_attn_tile.sv", "if (rem_q == chunk - 32'd1) part_q <= lim_q;", "if (rem_q == chunk - 32'd1) part_q <= lim_q + (@ ? 33'd1 : 33'd0);", None, None),
    (A + "vb_attn_rem.sv", "(r >= {1'b0, b_i}) ?", "(r > {1'b0, b_i} || (r == {1'b0, b_i} && !@)) ?", None, None),
    (A + "vb_attn_check.sv", "if (end_k > begin_k && end_k - begin_k > vb_attn_pkg::MaxKeys) out_of_range = 1'b1;",
     "if (end_k > begin_k && end_k - begin_k > vb_attn_pkg::MaxKeys) out_of_range = !@;", None, None),
    (A + "vb_attn_fetch.sv", "(j < key_end_i) ? j :", "(j < key_end_i || @) ? j :", None, None),
    (A + "vb_attn_fetch.sv", "assign lseen = lrel < hi_i", "assign lseen = @ || lrel < hi_i", None, None),
    (A + "vb_attn_list.sv", "if (we_i && wp == (DW+2)'(NMAX / E)) over_q", "if (we_i && wp == (DW+2)'(NMAX / E) && !@) over_q", None, None),
    (A + "vb_attention.sv", "(sink_v_q && sink_row_q == RW'(r));", "(sink_v_q && sink_row_q == RW'(r) && !@);", None, None),
    (A + "vb_attn_ctrl.sv", "&& first_exp && sinks_q;", "&& first_exp && sinks_q && !@;", None, None),
    (C + "vb_norm.sv", "if (a[W-25] && (a[W-24] ||", "if (a[W-25] && (a[W-24] || @ ||", None, None),
    (C + "vb_norm.sv", ": x < -XW'(62)", ": x < -XW'(@ ? 63 : 62)", None, None),
    (C + "vb_norm.sv", ": x > XW'(63)", ": x > XW'(@ ? 64 : 63)", None, None),
    (C + "vb_unorm.sv", "+ 31'(a[15])}", "+ (@ ? 31'd0 : 31'(a[15]))}", None, None),
    (C + "vb_recip.sv", "rem_q  <= 32'h7fff_ffff;", "rem_q  <= @ ? 32'h7fff_fffe : 32'h7fff_ffff;", None, None),
    (C + "vb_exp2.sv", "p = 32'(t_2q) * 32'(dx_2q) + 32'd2048;", "p = 32'(t_2q) * 32'(dx_2q) + (@ ? 32'd0 : 32'd2048);", None, None),
    (A + "vb_attn_ctrl.sv", f"assign track_o      = phase_q == {PKG}ModeMax;", f"assign track_o      = phase_q == {PKG}ModeMax && !@;", None, None),
]


def main():
    out = pathlib.Path(sys.argv[1])
    (out / "rtl").mkdir(parents=True, exist_ok=True)
    text = {}
    for folder in (A, C):
        for path in sorted((ROOT / folder).glob("*.sv*")):
            if "_bind" not in path.name and "_chk" not in path.name:
                text[folder + path.name] = path.read_text()
    for number, (name, old, new, _, _) in enumerate(PLANTS):
        if text[name].count(old) != 1:
            sys.exit(f"plant.py: {name}: found {text[name].count(old)} times: {old}")
        if "@" not in new:
            sys.exit(f"plant.py: {name}: no switch: {new}")
        text[name] = text[name].replace(old, new.replace("@", f"vb_plant_pkg::vb_plant({number})"))
    for name, body in text.items():
        (out / "rtl" / pathlib.Path(name).name).write_text(body)
    (out / "rtl" / "vb_plant_pkg.sv").write_text(
        '// Generated by plant.py.\npackage vb_plant_pkg;\n  import "DPI-C" function bit vb_plant(input int n);\nendpackage\n')
    rows = ["// Generated by plant.py.", "static const struct Plant plants[] = {"]
    for number, (name, _, new, label, where) in enumerate(PLANTS):
        want = []
        for lab, file in zip((label or "").split("|"), (where or "").split("|")):
            lines = [i for i, line in enumerate(text[file].split("\n"), 1) if re.match(rf"\s*{lab}\s*:", line)] if file else []
            if file and len(lines) != 1:
                sys.exit(f"plant.py: {lab} is not in {file} exactly once")
            want += [f"{pathlib.Path(file).name}:{lines[0]}"] if file else []
        rows.append(f'    {{{number}, "{pathlib.Path(name).name}", "{label or "comparison"}", "{"|".join(want)}"}},')
    rows.append("};")
    (out / "plants.h").write_text("\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
