"""Where the fields of each account lie, discriminator included.

After the programs' sources (see ``programs``) and compared field by field with mainnet's bytes. Every swap
program's account has one length; another length is another layout, and is refused.
"""

from typing import Final

from chalicelib.adapters.solana.layout import Layout

CPMM_POOL: Final = Layout(
    "PoolState",
    637,
    """
    amm_config 8 key
    pool_creator 40 key
    token_0_vault 72 key
    token_1_vault 104 key
    lp_mint 136 key
    token_0_mint 168 key
    token_1_mint 200 key
    token_0_program 232 key
    token_1_program 264 key
    observation_key 296 key
    auth_bump 328 u8
    status 329 u8
    lp_mint_decimals 330 u8
    mint_0_decimals 331 u8
    mint_1_decimals 332 u8
    lp_supply 333 u64
    protocol_fees_token_0 341 u64
    protocol_fees_token_1 349 u64
    fund_fees_token_0 357 u64
    fund_fees_token_1 365 u64
    open_time 373 u64
    recent_epoch 381 u64
    creator_fee_on 389 u8
    enable_creator_fee 390 u8
    creator_fees_token_0 397 u64
    creator_fees_token_1 405 u64
    """,
)

CPMM_CONFIG: Final = Layout(
    "AmmConfig",
    236,
    """
    bump 8 u8
    disable_create_pool 9 u8
    index 10 u16
    trade_fee_rate 12 u64
    protocol_fee_rate 20 u64
    fund_fee_rate 28 u64
    create_pool_fee 36 u64
    protocol_owner 44 key
    fund_owner 76 key
    creator_fee_rate 108 u64
    """,
)

CLMM_POOL: Final = Layout(
    "PoolState",
    1544,
    """
    bump 8 u8
    amm_config 9 key
    owner 41 key
    token_mint_0 73 key
    token_mint_1 105 key
    token_vault_0 137 key
    token_vault_1 169 key
    observation_key 201 key
    mint_decimals_0 233 u8
    mint_decimals_1 234 u8
    tick_spacing 235 u16
    liquidity 237 u128
    sqrt_price_x64 253 u128
    tick_current 269 i32
    fee_growth_global_0_x64 277 u128
    fee_growth_global_1_x64 293 u128
    protocol_fees_token_0 309 u64
    protocol_fees_token_1 317 u64
    status 389 u8
    fee_on 390 u8
    reward_0_token_mint 454 key
    reward_1_token_mint 623 key
    reward_2_token_mint 792 key
    tick_array_bitmap 904 bytes128
    fund_fees_token_0 1064 u64
    fund_fees_token_1 1072 u64
    open_time 1080 u64
    recent_epoch 1088 u64
    dynamic_filter_period 1096 u16
    dynamic_decay_period 1098 u16
    dynamic_reduction_factor 1100 u16
    dynamic_dynamic_fee_control 1102 u32
    dynamic_max_volatility_accumulator 1106 u32
    dynamic_tick_spacing_index_reference 1110 i32
    dynamic_volatility_reference 1114 u32
    dynamic_volatility_accumulator 1118 u32
    dynamic_last_update_timestamp 1122 u64
    dynamic_padding 1130 bytes46
    """,
)

CLMM_CONFIG: Final = Layout(
    "AmmConfig",
    117,
    """
    bump 8 u8
    index 9 u16
    owner 11 key
    protocol_fee_rate 43 u32
    trade_fee_rate 47 u32
    tick_spacing 51 u16
    fund_fee_rate 53 u32
    fund_owner 61 key
    """,
)

CLMM_TICK_ARRAY: Final = Layout(
    "TickArrayState",
    10_240,
    """
    pool_id 8 key
    start_tick_index 40 i32
    initialized_tick_count 10124 u8
    """,
)

CLMM_BITMAP_EXTENSION: Final = Layout(
    "TickArrayBitmapExtension",
    1832,
    """
    pool_id 8 key
    positive 40 bytes896
    negative 936 bytes896
    """,
)

DLMM_PAIR: Final = Layout(
    "LbPair",
    904,
    """
    base_factor 8 u16
    filter_period 10 u16
    decay_period 12 u16
    reduction_factor 14 u16
    variable_fee_control 16 u32
    max_volatility_accumulator 20 u32
    min_bin_id 24 i32
    max_bin_id 28 i32
    protocol_share 32 u16
    base_fee_power_factor 34 u8
    function_type 35 u8
    collect_fee_mode 36 u8
    volatility_accumulator 40 u32
    volatility_reference 44 u32
    index_reference 48 i32
    last_update_timestamp 56 i64
    bump_seed 72 u8
    bin_step_seed 73 bytes2
    pair_type 75 u8
    active_id 76 i32
    bin_step 80 u16
    status 82 u8
    require_base_factor_seed 83 u8
    base_factor_seed 84 bytes2
    activation_type 86 u8
    creator_pool_on_off_control 87 u8
    token_x_mint 88 key
    token_y_mint 120 key
    reserve_x 152 key
    reserve_y 184 key
    protocol_fee_x 216 u64
    protocol_fee_y 224 u64
    reward_0_mint 264 key
    reward_1_mint 408 key
    oracle 552 key
    bin_array_bitmap 584 bytes128
    last_updated_at 712 i64
    pre_activation_swap_address 752 key
    base_key 784 key
    activation_point 816 u64
    pre_activation_duration 824 u64
    creator 848 key
    token_mint_x_program_flag 880 u8
    token_mint_y_program_flag 881 u8
    version 882 u8
    """,
)

DLMM_BIN_ARRAY: Final = Layout(
    "BinArray",
    10_136,
    """
    index 8 i64
    version 16 u8
    lb_pair 24 key
    """,
)

DLMM_BITMAP_EXTENSION: Final = Layout(
    "BinArrayBitmapExtension",
    1576,
    """
    lb_pair 8 key
    positive 40 bytes768
    negative 808 bytes768
    """,
)

DLMM_ORACLE: Final = Layout(
    "Oracle",
    3232,
    """
    idx 8 u64
    active_size 16 u64
    length 24 u64
    """,
)

DAMM_V2_POOL: Final = Layout(
    "Pool",
    1112,
    """
    cliff_fee_numerator 8 u64
    base_fee_mode 16 u8
    base_u16 22 u16
    base_8b 24 bytes8
    base_u64 32 u64
    protocol_fee_percent 48 u8
    referral_fee_percent 50 u8
    compounding_fee_bps 54 u16
    dyn_initialized 56 u8
    dyn_max_volatility_accumulator 64 u32
    dyn_variable_fee_control 68 u32
    dyn_bin_step 72 u16
    dyn_filter_period 74 u16
    dyn_decay_period 76 u16
    dyn_reduction_factor 78 u16
    dyn_last_update_timestamp 80 u64
    dyn_bin_step_u128 88 u128
    dyn_sqrt_price_reference 104 u128
    dyn_volatility_accumulator 120 u128
    dyn_volatility_reference 136 u128
    init_sqrt_price 152 u128
    token_a_mint 168 key
    token_b_mint 200 key
    token_a_vault 232 key
    token_b_vault 264 key
    whitelisted_vault 296 key
    liquidity 360 u128
    protocol_a_fee 392 u64
    protocol_b_fee 400 u64
    sqrt_min_price 424 u128
    sqrt_max_price 440 u128
    sqrt_price 456 u128
    activation_point 472 u64
    activation_type 480 u8
    pool_status 481 u8
    token_a_flag 482 u8
    token_b_flag 483 u8
    collect_fee_mode 484 u8
    pool_type 485 u8
    fee_version 486 u8
    fee_a_per_liquidity 488 bytes32
    fee_b_per_liquidity 520 bytes32
    permanent_lock_liquidity 552 u128
    total_lp_a_fee 568 u128
    total_lp_b_fee 584 u128
    total_protocol_a_fee 600 u64
    total_protocol_b_fee 608 u64
    total_position 632 u64
    creator 648 key
    token_a_amount 680 u64
    token_b_amount 688 u64
    layout_version 696 u8
    reward_0_mint 744 key
    reward_1_mint 936 key
    """,
)

TOKEN_ACCOUNT: Final = Layout(
    "Account",
    165,
    """
    mint 0 key
    owner 32 key
    amount 64 u64
    has_delegate 72 u32
    delegate 76 key
    state 108 u8
    is_native 109 u32
    rent_reserve 113 u64
    delegated_amount 121 u64
    has_close_authority 129 u32
    close_authority 133 key
    """,
)

MINT: Final = Layout(
    "Mint",
    82,
    """
    has_mint_authority 0 u32
    mint_authority 4 key
    supply 36 u64
    decimals 44 u8
    is_initialized 45 u8
    has_freeze_authority 46 u32
    freeze_authority 50 key
    """,
)

CLOCK: Final = Layout(
    "Clock",
    40,
    """
    slot 0 u64
    epoch_start_timestamp 8 i64
    epoch 16 u64
    leader_schedule_epoch 24 u64
    unix_timestamp 32 i64
    """,
)
