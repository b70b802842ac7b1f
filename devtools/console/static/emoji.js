// The emoji that operational messages use, by Slack's names. An unknown name is shown as it was written.

const NAMES = `
white_check_mark ✅|heavy_check_mark ✔️|x ❌|warning ⚠️|no_entry ⛔|no_entry_sign 🚫|octagonal_sign 🛑|rotating_light 🚨
hourglass ⌛|hourglass_flowing_sand ⏳|stopwatch ⏱️|alarm_clock ⏰|clock1 🕐|timer_clock ⏲️|calendar 📅|spiral_calendar_pad 🗓️
rocket 🚀|gear ⚙️|wrench 🔧|hammer 🔨|hammer_and_wrench 🛠️|package 📦|lock 🔒|unlock 🔓|key 🔑|closed_lock_with_key 🔐
old_key 🗝️|shield 🛡️|lower_left_fountain_pen 🖋️|memo 📝|pencil2 ✏️|scroll 📜|page_facing_up 📄|clipboard 📋|bookmark 🔖
label 🏷️|pushpin 📌|link 🔗|mag 🔍|mag_right 🔎|eyes 👀|eye 👁️|bell 🔔|no_bell 🔕|loudspeaker 📢|mega 📣|speech_balloon 💬
arrow_up ⬆️|arrow_down ⬇️|arrow_right ➡️|arrow_left ⬅️|arrows_counterclockwise 🔄|repeat 🔁|leftwards_arrow_with_hook ↩️
heavy_plus_sign ➕|heavy_minus_sign ➖|question ❓|grey_question ❔|exclamation ❗|grey_exclamation ❕|information_source ℹ️
red_circle 🔴|large_orange_circle 🟠|orange_circle 🟠|large_yellow_circle 🟡|large_green_circle 🟢|large_blue_circle 🔵
large_purple_circle 🟣|white_circle ⚪|black_circle ⚫|large_blue_square 🟦|large_green_square 🟩|large_yellow_square 🟨
large_red_square 🟥|white_large_square ⬜|black_large_square ⬛|white_small_square ▫️|black_small_square ▪️|small_blue_diamond 🔹
small_orange_diamond 🔸|ballot_box_with_check ☑️|radio_button 🔘|black_square_button 🔲|heavy_multiplication_x ✖️
double_vertical_bar ⏸️|arrow_forward ▶️|black_square_for_stop ⏹️|fast_forward ⏩|rewind ⏪|zap ⚡|fire 🔥|boom 💥|sparkles ✨
tada 🎉|thumbsup 👍|+1 👍|thumbsdown 👎|-1 👎|wave 👋|raised_hand ✋|pray 🙏|clap 👏|ok_hand 👌|point_right 👉|muscle 💪
bow 🙇|thinking_face 🤔|slightly_smiling_face 🙂|smile 😄|robot_face 🤖|ghost 👻|skull 💀|bug 🐛|cockroach 🪳|crossed_swords ⚔️
computer 💻|desktop_computer 🖥️|floppy_disk 💾|file_cabinet 🗄️|card_index_dividers 🗂️|open_file_folder 📂|bar_chart 📊
chart_with_upwards_trend 📈|chart_with_downwards_trend 📉|satellite_antenna 📡|electric_plug 🔌|battery 🔋|construction 🚧
wastebasket 🗑️|broom 🧹|test_tube 🧪|microscope 🔬|bulb 💡|dart 🎯|checkered_flag 🏁|triangular_flag_on_post 🚩|house 🏠
busts_in_silhouette 👥|bust_in_silhouette 👤|male-office-worker 👨‍💼|cop 👮|sleeping 😴|zzz 💤|snail 🐌|turtle 🐢|star ⭐|books 📚
`;

const EMOJI = new Map(
  NAMES.trim()
    .split(/[\n|]/)
    .map((entry) => entry.trim().split(" ")),
);

export function emoji(name) {
  return EMOJI.get(name.split("::")[0]);
}

// Slack's names in a plain text, for plain_text objects with emoji switched on.
export function withEmoji(text) {
  return text.replace(/:([a-z0-9_+-]+):/g, (whole, name) => emoji(name) ?? whole);
}
