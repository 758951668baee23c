package booking

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// country is what the generator picks names, addresses and texts from for the
// studios of one country.
type country struct {
	code, locale, timezone string
	studios                []string
	first, family          []string
	cities                 []city
	street                 func(r *rand.Rand, marker string) string
	phone                  func(r *rand.Rand) string
	services, classes      []string
	phrases                phrases
}

type city struct{ postal, name string }

// phrases are free texts; %s is replaced with the client's surname, or in a
// greeting and in terms with the whole name.
type phrases struct {
	profile, appointment, comment, note, subject, greeting []string
	membership, terms                                      string
}

// countries are given to studios in this order, again from the first when all
// are used.
var countries = []*country{&france, &germany, &britain, &austria}

var france = country{
	code: "FR", locale: "fr", timezone: "Europe/Paris",
	studios: []string{
		"Atelier Pilates Bellecour", "Studio Souffle", "Salon Mirabelle", "Yoga des Quais", "Forme & Équilibre",
		"Le Tapis Rouge",
	},
	first: []string{"Camille", "Léa", "Manon", "Chloé", "Inès", "Hélène", "Nathalie", "Sandrine", "Amélie", "Aïcha", "Zoé", "Françoise",
		"Lucas", "Hugo", "Théo", "Nicolas", "Julien", "Mathieu", "Antoine", "Sébastien", "Karim", "Olivier", "Rémi", "Gaël"},
	family: []string{"Martin", "Bernard", "Dubois", "Moreau", "Laurent", "Lefèvre", "Michel", "Garcia", "Roux", "Fournier", "Girard", "Bonnet",
		"Lambert", "Fontaine", "Rousseau", "Mercier", "Blanc", "Guérin", "Boyer", "Garnier", "Chevalier", "Benali", "Perrin", "Morin"},
	cities: []city{
		{"75011", "Paris"}, {"69002", "Lyon"}, {"13006", "Marseille"}, {"33000", "Bordeaux"}, {"44000", "Nantes"},
		{"67000", "Strasbourg"}, {"59800", "Lille"},
	},
	street: func(r *rand.Rand, m string) string {
		return fmt.Sprintf("%d %s %s", 1+r.IntN(180), pick(r, []string{"rue", "avenue", "impasse", "chemin de"}), capital(m))
	},
	// Set aside by ARCEP for audiovisual works.
	phone: func(r *rand.Rand) string {
		n := r.IntN(10_000)
		return fmt.Sprintf("+33 %s %02d %02d", pick(r, []string{"6 39 98", "1 99 00", "2 61 91", "3 53 01", "4 65 71", "5 36 49"}), n/100, n%100)
	},
	services: []string{"Massage 60 min", "Pilates individuel", "Coupe et brushing", "Bilan forme", "Soin du visage", "Coaching 45 min"},
	classes:  []string{"Yoga doux", "Pilates tapis", "Barre au sol", "HIIT du midi", "Stretching", "Méditation"},
	phrases: phrases{
		profile: []string{
			"Mme/M. %s préfère le matin.",
			"Genou droit fragile, prévenir avant les sauts (%s).",
			"%s vient avec sa sœur un mardi sur deux.",
		},
		appointment: []string{"Appeler %s en cas de retard", "%s demande la cabine du fond", "Premier rendez-vous de %s"},
		comment:     []string{"%s apporte son tapis", "Place près de la porte pour %s", "%s reprend après une pause"},
		note: []string{
			"Échange avec %s : douleurs au dos depuis l'hiver.",
			"%s souhaite un devis pour dix séances.",
			"Allergie aux huiles essentielles signalée par %s.",
		},
		subject: []string{"Votre prochain rendez-vous", "On ne vous voit plus !", "Nouveaux horaires"},
		greeting: []string{
			"Bonjour %s, nous vous attendons demain.",
			"Bonjour %s, une séance vous est offerte.",
			"Bonjour %s, le planning change en septembre.",
		},
		membership: "Abonnement mensuel", terms: "Conditions générales acceptées par %s",
	},
}

var germany = country{
	code: "DE", locale: "de", timezone: "Europe/Berlin",
	studios: []string{"Yogaraum Ehrenfeld", "Kraftwerk Fitness", "Salon Schöneberg", "Pilates an der Isar", "Studio Hafenblick", "Ruhepol"},
	first:   germanFirst, family: germanFamily,
	cities: []city{
		{"10827", "Berlin"}, {"20359", "Hamburg"}, {"80469", "München"}, {"50823", "Köln"}, {"04109", "Leipzig"},
		{"70178", "Stuttgart"},
	},
	street: germanStreet, phone: germanPhone,
	services: germanServices, classes: germanClasses, phrases: german,
}

var austria = country{
	code: "AT", locale: "de", timezone: "Europe/Vienna",
	studios: []string{"Yoga am Naschmarkt", "Studio Mur", "Salon Josefstadt", "Bergfit"},
	first:   germanFirst, family: germanFamily,
	cities: []city{{"1070", "Wien"}, {"8010", "Graz"}, {"5020", "Salzburg"}, {"6020", "Innsbruck"}, {"4020", "Linz"}},
	// Austria sets no numbers aside for fiction, so its clients have German ones.
	street: germanStreet, phone: germanPhone,
	services: germanServices, classes: germanClasses, phrases: german,
}

var germanFirst = []string{"Anna", "Lena", "Sophie", "Katharina", "Jana", "Käthe", "Sabine", "Ursula", "Mareike", "Ayşe", "Helga", "Britta",
	"Lukas", "Jonas", "Felix", "Stefan", "Jürgen", "Matthias", "Tobias", "Sören", "Emre", "Andreas", "Björn", "Uwe"}

var germanFamily = []string{
	"Müller", "Schmidt", "Schneider", "Fischer", "Weber", "Wagner", "Becker", "Schäfer", "Koch", "Bauer", "Richter", "Klein",
	"Wolf", "Schröder", "Neumann", "Schwarz", "Krüger", "Hofmann", "Lange", "Köhler", "Yilmaz", "Huber", "Gruber", "Weiß",
}

var germanServices = []string{
	"Massage 60 Min.", "Personal Training", "Haarschnitt", "Gesichtsbehandlung", "Ernährungsberatung",
	"Physio-Check",
}

var germanClasses = []string{"Hatha Yoga", "Rückenfit", "Spinning", "Pilates Matte", "Zirkeltraining", "Entspannung"}

var german = phrases{
	profile:     []string{"%s kommt lieber abends.", "Knie links operiert, bitte schonend (%s).", "%s zahlt bar und möchte eine Quittung."},
	appointment: []string{"%s bei Verspätung anrufen", "%s möchte den ruhigen Raum", "Erster Termin von %s"},
	comment: []string{
		"%s bringt die eigene Matte mit",
		"%s steht auf der Warteliste für Donnerstag",
		"%s setzt nach einer Pause wieder ein",
	},
	note: []string{
		"Gespräch mit %s: Rückenschmerzen seit dem Winter.",
		"%s wünscht ein Angebot für zehn Termine.",
		"%s verträgt keine ätherischen Öle.",
	},
	subject: []string{"Ihr nächster Termin", "Wir vermissen Sie!", "Neue Kurszeiten"},
	greeting: []string{
		"Guten Tag %s, wir freuen uns auf morgen.",
		"Guten Tag %s, eine Stunde geht auf uns.",
		"Guten Tag %s, ab September gelten neue Zeiten.",
	},
	membership: "Monatsabo", terms: "AGB akzeptiert von %s",
}

func germanStreet(r *rand.Rand, m string) string {
	return fmt.Sprintf("%s%s %d", capital(m), pick(r, []string{"straße", "weg", "gasse", "allee"}), 1+r.IntN(140))
}

// Set aside by the Bundesnetzagentur for film and television.
func germanPhone(r *rand.Rand) string {
	return fmt.Sprintf("+49 %s%03d", pick(r, []string{"30 23125", "69 90009", "40 66969", "221 4710", "89 99998"}), r.IntN(1000))
}

var britain = country{
	code: "GB", locale: "en", timezone: "Europe/London",
	studios: []string{"Northern Quarter Yoga", "The Barre Room", "Clifton Strength", "Harbour Pilates", "Lime Street Barbers"},
	first: []string{"Olivia", "Amelia", "Isla", "Emily", "Grace", "Siobhan", "Priya", "Hannah", "Chloe", "Margaret", "Nia", "Freya",
		"Oliver", "George", "Harry", "Jack", "Callum", "Mohammed", "Rhys", "Thomas", "Dylan", "Edward", "Ravi", "Angus"},
	family: []string{"Smith", "Jones", "Taylor", "Brown", "Williams", "Wilson", "Johnson", "Davies", "Patel", "Wright", "Walker", "Thompson",
		"Evans", "Hughes", "Clarke", "Hall", "Green", "Murphy", "Campbell", "Begum", "Fraser", "Pritchard", "Okafor", "Bell"},
	cities: []city{
		{"M4 1HQ", "Manchester"}, {"BS8 4LJ", "Bristol"}, {"LS1 5DL", "Leeds"}, {"EH3 6HX", "Edinburgh"},
		{"CF10 1DY", "Cardiff"}, {"E8 3PN", "London"},
	},
	street: func(r *rand.Rand, m string) string {
		return fmt.Sprintf("%d %s %s", 1+r.IntN(160), capital(m), pick(r, []string{"Road", "Lane", "Terrace", "Close"}))
	},
	// Set aside by Ofcom for drama.
	phone: func(r *rand.Rand) string {
		return fmt.Sprintf("+44 %s%03d", pick(r, []string{"7700 900", "20 7946 0", "113 496 0", "117 496 0", "161 496 0"}), r.IntN(1000))
	},
	services: []string{"Massage 60 min", "Personal training", "Cut and finish", "Facial", "Nutrition consultation", "Mobility check"},
	classes:  []string{"Vinyasa Flow", "Reformer Pilates", "Spin", "Lunchtime HIIT", "Stretch and Restore", "Boxfit"},
	phrases: phrases{
		profile:     []string{"%s prefers mornings.", "Weak left ankle, go easy on jumps (%s).", "%s comes with a friend every other Tuesday."},
		appointment: []string{"Call %s if running late", "%s asked for the quiet room", "First visit of %s"},
		comment:     []string{"%s brings their own mat", "Spot by the door for %s", "%s is back after a break"},
		note: []string{
			"Spoke with %s: back pain since the winter.",
			"%s would like a quote for ten sessions.",
			"%s reacts to essential oils.",
		},
		subject:    []string{"Your next appointment", "We miss you!", "New class times"},
		greeting:   []string{"Hello %s, see you tomorrow.", "Hello %s, your next class is on us.", "Hello %s, class times change in September."},
		membership: "Monthly membership", terms: "Terms accepted by %s",
	},
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// chance is true with a probability of this many per cent.
func chance(r *rand.Rand, percent float64) bool { return r.Float64()*100 < percent }

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// mailbox replaces letters of a name that do not belong in front of the @ of an
// e-mail address.
var mailbox = strings.NewReplacer(
	"À", "a", "Ä", "ae", "Ö", "oe", "Ü", "ue", "É", "e",
	"à", "a", "â", "a", "ä", "ae", "ç", "c", "é", "e", "è", "e", "ê", "e", "ë", "e",
	"ï", "i", "î", "i", "ö", "oe", "ş", "s", "ß", "ss", "ü", "ue", " ", "-", "'", "",
)
