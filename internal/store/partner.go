package store

import (
	"context"
	"encoding/json"
	"time"

	"renkei.dev/internal/corebank"
	"renkei.dev/internal/fault"
	"renkei.dev/internal/partner"
)

const partnerColumns = `id, service, corporation, registration_number,
	contact_desk, contact_phone, contact_mail, contact_url, chained_service, loss_sharing, logo_file,
	functions, required_functions, chooses_functions, consent_for, history_days, status, contract_from, contract_until`

// Partner returns a partner as it stands now. Errors: fault.NotFound.
func (in *Institution) Partner(ctx context.Context, id partner.ID) (partner.Partner, error) {
	p, err := scanPartner(in.read.QueryRow(ctx,
		`SELECT `+partnerColumns+` FROM partners WHERE institution = $1 AND id = $2`, in.id, string(id)))
	return p, found(err, "find partner "+string(id))
}

// Partners returns all partners, by id.
func (in *Institution) Partners(ctx context.Context) ([]partner.Partner, error) {
	rs, err := in.read.Query(ctx, `SELECT `+partnerColumns+` FROM partners WHERE institution = $1 ORDER BY id`, in.id)
	return collect(rs, err, "list partners", scanPartner)
}

func scanPartner(r row) (partner.Partner, error) {
	var p partner.Partner
	var id, functions, required, status string
	var chooses, consentFor, from, until int64
	err := r.Scan(&id, &p.Service, &p.Corporation, &p.RegistrationNumber,
		&p.Contact.Desk, &p.Contact.Phone, &p.Contact.Mail, &p.Contact.URL, &p.ChainedService, &p.LossSharing, &p.LogoFile,
		&functions, &required, &chooses, &consentFor, &p.HistoryDays, &status, &from, &until)
	if err != nil {
		return partner.Partner{}, err
	}
	p.ID, p.Status = partner.ID(id), partner.Status(status)
	p.ChoosesFunctions = chooses == 1
	p.ConsentFor = time.Duration(consentFor) * time.Microsecond
	p.ContractFrom, p.ContractUntil = fromMicros(from), fromMicros(until)
	if err := json.Unmarshal([]byte(functions), &p.Functions); err != nil {
		return partner.Partner{}, fault.Wrap(fault.Internal, "read the functions of partner "+id, err)
	}
	if err := json.Unmarshal([]byte(required), &p.Required); err != nil {
		return partner.Partner{}, fault.Wrap(fault.Internal, "read the required functions of partner "+id, err)
	}
	return p, nil
}

func (in *Institution) applyPartnerRegistered(ctx context.Context, t tx, c partner.Registered) error {
	p := c.Partner
	return t.Must(ctx, `INSERT INTO partners (institution, `+partnerColumns+`, registered_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)
		ON CONFLICT (institution, id) DO NOTHING`,
		in.id, string(p.ID), p.Service, p.Corporation, p.RegistrationNumber,
		p.Contact.Desk, p.Contact.Phone, p.Contact.Mail, p.Contact.URL, p.ChainedService, p.LossSharing, p.LogoFile,
		functionsJSON(p.Functions), functionsJSON(p.Required), oneIf(p.ChoosesFunctions), p.ConsentFor.Microseconds(), p.HistoryDays,
		string(p.Status), micros(p.ContractFrom), micros(p.ContractUntil), micros(c.At))
}

func (in *Institution) applyPartnerStatus(ctx context.Context, t tx, c partner.StatusChanged) error {
	return t.Must(ctx, `UPDATE partners SET status = $4 WHERE institution = $1 AND id = $2 AND status = $3`,
		in.id, string(c.Partner), string(c.From), string(c.To))
}

func functionsJSON(functions []corebank.BusinessFunction) string {
	if functions == nil {
		return "[]"
	}
	b, err := json.Marshal(functions)
	if err != nil {
		panic(err) // words always marshal
	}
	return string(b)
}

// oneIf is how a truth is stored: there are no BOOLEAN columns.
func oneIf(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
