package graph

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net/http"
	"slices"
	"sort"
	"strings"
)

// serviceNames are the services that an administrator may set.
var serviceNames = []string{"Email", "OfficeCommunicationsOnline", "Yammer"}

func (s *Server) domainBody(d *domain) map[string]any {
	availability := any(nil)
	services := append([]string{}, d.Services...)
	return map[string]any{
		"id": d.Name, "authenticationType": "Managed", "availabilityStatus": availability, "isAdminManaged": true,
		"isDefault": d.Initial, "isInitial": d.Initial, "isRoot": true, "isVerified": d.Verified,
		"supportedServices": services, "passwordValidityPeriodInDays": 2147483647,
		"passwordNotificationWindowInDays": 14, "state": nil, "manufacturer": nil, "model": nil,
	}
}

// domainOf finds the domain of the path.
func (s *Server) domainOf(r *request) (*domain, error) {
	name := fold(r.PathValue("domain"))
	if d := s.state.domains[name]; d != nil {
		return d, nil
	}
	return nil, notFound(name)
}

func (s *Server) listDomains(*request) (reply, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := make([]string, 0, len(s.state.domains))
	for name := range s.state.domains {
		names = append(names, name)
	}
	sort.Strings(names)
	value := []any{}
	for _, name := range names {
		value = append(value, s.domainBody(s.state.domains[name]))
	}
	return reply{http.StatusOK, collection{s.context("domains"), "", value}}, nil
}

func (s *Server) getDomain(r *request) (reply, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, err := s.domainOf(r)
	if err != nil {
		return reply{}, err
	}
	body := s.domainBody(d)
	body["@odata.context"] = s.context("domains/$entity")
	return reply{http.StatusOK, body}, nil
}

func (s *Server) addDomain(r *request) (reply, error) {
	var body map[string]any
	if err := r.decode(&body); err != nil {
		return reply{}, err
	}
	name, _ := body["id"].(string)
	name = fold(name)
	if !strings.Contains(name, ".") || strings.ContainsAny(name, " /@") {
		return reply{}, badRequest("A value is required for property 'id' of resource 'Domain'.", detail{"InvalidValue", "The domain name is not valid.", "id"})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.domains[name] != nil {
		return reply{}, badRequest("A conflicting object with one or more of the specified property values is present in the directory.",
			detail{"ObjectConflict", "The domain is in the directory already.", "id"})
	}
	var digits [4]byte
	if _, err := rand.Read(digits[:]); err != nil {
		return reply{}, err
	}
	d := &domain{Name: name, Digits: 10_000_000 + binary.BigEndian.Uint32(digits[:])%90_000_000}
	for parent := range s.state.domains {
		// What lies below a verified domain is verified with it.
		if strings.HasSuffix(name, "."+parent) && s.state.domains[parent].Verified {
			d.Verified = true
		}
	}
	if err := s.putDomain(d); err != nil {
		return reply{}, err
	}
	created := s.domainBody(d)
	created["@odata.context"] = s.context("domains/$entity")
	return reply{http.StatusCreated, created}, nil
}

func (s *Server) patchDomain(r *request) (reply, error) {
	var body struct {
		Services *[]string `json:"supportedServices"`
		Default  *bool     `json:"isDefault"`
	}
	if err := r.decode(&body); err != nil {
		return reply{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	d, err := s.domainOf(r)
	if err != nil {
		return reply{}, err
	}
	if !d.Verified {
		return reply{}, badRequest("Domain must be verified before it can be updated.")
	}
	changed := *d
	if body.Services != nil {
		for _, service := range *body.Services {
			if !slices.Contains(serviceNames, service) {
				return reply{}, badRequest("Invalid value specified for property 'supportedServices' of resource 'Domain'.")
			}
		}
		if slices.Contains(*body.Services, "Email") && d.Email.IsZero() {
			changed.Email = r.now
		}
		changed.Services = *body.Services
	}
	if err := s.putDomain(&changed); err != nil {
		return reply{}, err
	}
	return reply{http.StatusNoContent, nil}, nil
}

// verifyDomain looks for the proof in the DNS, now. Another tenant's claim is noticed here and not before.
func (s *Server) verifyDomain(r *request) (reply, error) {
	s.mu.Lock()
	d, err := s.domainOf(r)
	s.mu.Unlock()
	if err != nil {
		return reply{}, err
	}
	if d.Verified {
		return reply{}, badRequest("Domain is already verified.")
	}
	if slices.Contains(s.Tenant.HeldElsewhere, d.Name) {
		return reply{}, badRequest("Domain verification failed with the following error: 'The domain " + d.Name + " is already used by another tenant.'")
	}
	texts, err := s.LookupTXT(r.Context(), d.Name)
	if err != nil {
		s.Log.Warn("the tenant could not look a domain up", "domain", d.Name, "error", err)
	}
	if !slices.Contains(texts, proof(d)) {
		return reply{}, badRequest("Domain verification failed with the following error: 'DNS record not found. Please verify that the TXT record has been added and wait for it to propagate.'")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	verified := *s.state.domains[d.Name]
	verified.Verified = true
	if err := s.putDomain(&verified); err != nil {
		return reply{}, err
	}
	s.Log.Info("domain verified", "domain", d.Name)
	body := s.domainBody(&verified)
	body["availabilityStatus"] = "AvailableImmediately"
	body["@odata.context"] = s.context("domains/$entity")
	return reply{http.StatusOK, body}, nil
}

func proof(d *domain) string { return fmt.Sprintf("MS=ms%08d", d.Digits) }

// record is a row of DNS as Graph describes it, without what is special to its type.
func record(d *domain, kind, label, service string, more map[string]any) map[string]any {
	id := fmt.Sprintf("%08d-%s-%s", d.Digits, strings.ToLower(kind), label)
	row := map[string]any{
		"@odata.type": "#microsoft.graph.domainDns" + map[string]string{"Mx": "Mx", "Txt": "Txt", "CName": "Cname"}[kind] + "Record",
		"id":          id, "isOptional": false, "label": label, "recordType": kind, "supportedService": orNull(service), "ttl": 3600,
	}
	for name, value := range more {
		row[name] = value
	}
	return row
}

func (s *Server) verificationRecords(r *request) (reply, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, err := s.domainOf(r)
	if err != nil {
		return reply{}, err
	}
	return reply{http.StatusOK, collection{s.context("domains('" + d.Name + "')/verificationDnsRecords"), "", []any{
		record(d, "Txt", d.Name, "", map[string]any{"text": proof(d)}),
		record(d, "Mx", d.Name, "", map[string]any{"mailExchange": fmt.Sprintf("ms%08d.msv1.invalid", d.Digits), "preference": 32767}),
	}}}, nil
}

// serviceRecords is empty until Email is one of the domain's services and the tenant has thought about it.
func (s *Server) serviceRecords(r *request) (reply, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, err := s.domainOf(r)
	if err != nil {
		return reply{}, err
	}
	value := []any{}
	if slices.Contains(d.Services, "Email") && !r.now.Before(d.Email.Add(s.Delays.ServiceRecords)) {
		value = []any{
			record(d, "Mx", d.Name, "Email", map[string]any{"mailExchange": s.Exchanger(d.Name), "preference": 0}),
			record(d, "Txt", d.Name, "Email", map[string]any{"text": "v=spf1 include:spf.protection.outlook.com -all"}),
			record(d, "CName", "autodiscover."+d.Name, "Email", map[string]any{"canonicalName": "autodiscover.outlook.com"}),
		}
	}
	return reply{http.StatusOK, collection{s.context("domains('" + d.Name + "')/serviceConfigurationRecords"), "", value}}, nil
}
