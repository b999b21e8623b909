package i18n

import (
	"strconv"
	"strings"
	"time"
)

// japan is the zone in which all times are shown.
var japan = time.FixedZone("JST", 9*60*60)

var weekdays = [...]string{"日", "月", "火", "水", "木", "金", "土"}

// Date writes the day of t in Japan: 2026年11月24日(火) · Tue 24 November 2026.
func (w Words) Date(t time.Time) string {
	t = t.In(japan)
	if w.InJapanese() {
		year, month, day := t.Date()
		return strconv.Itoa(year) + "年" + strconv.Itoa(int(month)) + "月" + strconv.Itoa(day) + "日(" + weekdays[t.Weekday()] + ")"
	}
	return t.Format("Mon 2 January 2006")
}

// Day writes a calendar date of the form 2026-11-24 like Date; what is no date
// is returned as it is.
func (w Words) Day(date string) string {
	t, err := time.ParseInLocation(time.DateOnly, date, japan)
	if err != nil {
		return date
	}
	return w.Date(t)
}

// DateTime writes a moment in Japan: 2026年11月24日(火) 14:05 · Tue 24 November 2026, 14:05 JST.
func (w Words) DateTime(t time.Time) string {
	clock := t.In(japan).Format("15:04")
	if w.InJapanese() {
		return w.Date(t) + " " + clock
	}
	return w.Date(t) + ", " + clock + " JST"
}

// Clock writes the time of day in Japan: 14:05 · 14:05 JST.
func (w Words) Clock(t time.Time) string {
	clock := t.In(japan).Format("15:04")
	if w.InJapanese() {
		return clock
	}
	return clock + " JST"
}

// Yen writes an amount: 1,234,567円 · ¥1,234,567; below zero ▲1,234円 · −¥1,234.
func (w Words) Yen(amount int64) string {
	sign := ""
	figures := strings.TrimPrefix(grouped(amount), "-")
	if amount < 0 {
		sign = "−"
		if w.InJapanese() {
			sign = "▲"
		}
	}
	if w.InJapanese() {
		return sign + figures + "円"
	}
	return sign + "¥" + figures
}

// Count writes a number with its thousands apart.
func (w Words) Count(n int) string { return grouped(int64(n)) }

func grouped(n int64) string {
	digits := strconv.FormatInt(n, 10)
	head := ""
	if n < 0 {
		head, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return head + digits
}

// List writes several things in one sentence: 甲、乙 · a, b.
func (w Words) List(things []string) string {
	if w.InJapanese() {
		return strings.Join(things, "、")
	}
	return strings.Join(things, ", ")
}
