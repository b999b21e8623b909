package web

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/url"
)

const maxReports = 16 << 10

// ReportHandler takes browsers' reports of what a page's policy stopped
// (Reporting API) and logs what was stopped and where, without queries. At most
// a few of one request are read.
func ReportHandler(log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
			return
		}
		var reports []struct {
			Type string `json:"type"`
			Body struct {
				Document  string `json:"documentURL"`
				Blocked   string `json:"blockedURL"`
				Directive string `json:"effectiveDirective"`
			} `json:"body"`
		}
		err := json.NewDecoder(io.LimitReader(r.Body, maxReports)).Decode(&reports)
		for i, report := range reports {
			if err != nil || i == 5 {
				break
			}
			log.Warn("a browser stopped something on a page", "type", clip(report.Type),
				"directive", clip(report.Body.Directive), "page", place(report.Body.Document), "what", place(report.Body.Blocked))
		}
		w.WriteHeader(http.StatusNoContent)
	})
}

// place is an address without query and fragment, which may hold secrets.
func place(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return clip(u.Scheme + "://" + u.Host + u.Path)
}

func clip(s string) string { return s[:min(len(s), 200)] }
